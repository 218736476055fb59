# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Certificates of a test's own authorities: sourced after suite.sh.

authority() { # NAME
	mkdir -p "$T/$1"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/$1/key.pem" -out "$T/$1/ca.pem" -days 2 -subj "/CN=$1" 2>/dev/null
	: >"$T/$1/index"
	cat >"$T/$1/ca.cnf" <<-END
		[ca]
		default_ca = ca
		[ca_policy]
		commonName = supplied
		[ca]
		database = $T/$1/index
		unique_subject = no
		new_certs_dir = $T/$1
		rand_serial = yes
		certificate = $T/$1/ca.pem
		private_key = $T/$1/key.pem
		default_md = sha256
		policy = ca_policy
		x509_extensions = names
		[names]
		subjectAltName = DNS:shop.example
	END
}

# certify AUTHORITY NAME START END: $T/NAME.crt and .key, for shop.example.
certify() {
	openssl req -new -newkey rsa:2048 -nodes -keyout "$T/$2.key" -out "$T/$2.csr" -subj "/CN=$2" 2>/dev/null
	sign "$@"
}

sign() { # AUTHORITY NAME START END: a certificate of other times for the same key
	openssl ca -batch -notext -config "$T/$1/ca.cnf" -in "$T/$2.csr" -out "$T/$2.crt" \
		-startdate "$3" -enddate "$4" 2>"$T/$2.ca.log" || fail "$(tail -n 3 "$T/$2.ca.log")"
}

zulu() { date -u -d "$1" +%Y%m%d%H%M%SZ; } # TIME: as openssl ca has it

self_signed() { # IP [CERTIFICATE]: of a server at this address, with its key in $T/key.pem
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=lb -addext "subjectAltName=IP:$1" \
		-keyout "$T/key.pem" -out "${2:-$T/certificate.pem}" 2>/dev/null
}
