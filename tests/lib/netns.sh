# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# A small network of namespaces: a switch (a Linux bridge) and hosts with one leg each into it, or two switches with the
# balancer between them. Used by the system tests and the demo; needs root, ip, nsenter, ethtool and tests/tools/xdp-pass.
#
#   client 10.77.0.1 fd77::1 ── switch ── lb 10.77.0.2 fd77::2
#                                 ├────── b1 10.77.0.11 fd77::11
#                                 └────── b2 …
#
# Service addresses (192.0.2.10, .11, 2001:db8::10, ::11) are routed by clients to lb, and stand on lo of every backend,
# which answers directly. Hosts are named shunt-PID-NAME, and all of them go when the script that made them ends.

NET=shunt-$$
NET_XDP_PASS=${SHUNT_BUILD:?}/tests/tools/xdp-pass
NET_MTU=1600 # behind the balancer, so that a full packet of a client fits with an outer header
SERVICE_ADDRESSES="192.0.2.10 192.0.2.11 2001:db8::10 2001:db8::11"

# on HOST COMMAND…: runs it in the host's network. Not `ip netns exec`, which mounts a fresh /sys and so hides bpffs.
on() {
	local host=$1
	shift
	nsenter --net="/run/netns/$NET-$host" -- "$@"
}

# The last number of a host's addresses.
host_number() {
	case $1 in
	client) echo 1 ;;
	lb) echo 2 ;;
	client[2-9]) echo "$((1 + ${1#client}))" ;;
	b[0-9]*) echo "$((10 + ${1#b}))" ;;
	lb[2-9]) echo "$((100 + ${1#lb}))" ;;
	router) echo 254 ;;
	*) echo "no such host: $1" >&2 && return 1 ;;
	esac
}

ip4() { echo "10.77.0.$(host_number "$1")"; }
ip6() { echo "fd77::$(host_number "$1")"; }

net_switch() { # SWITCH
	ip netns add "$NET-$1"
	ip -n "$NET-$1" -batch - <<-END
		link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
		link set br0 up
	END
}

net_host() { # HOST
	ip netns add "$NET-$1"
	on "$1" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
		net.ipv6.conf.default.dad_transmits=0 net.ipv6.conf.default.accept_ra=0
	ip -n "$NET-$1" link set lo up
}

# net_leg HOST INTERFACE SWITCH IPv4/LENGTH IPv6/LENGTH: a veth from the host into the switch.
net_leg() {
	local host=$1 interface=$2 switch=$3 port=p-$1 mtu=$NET_MTU
	case $host in client*) mtu=1500 ;; esac
	ip -n "$NET-$switch" -batch - <<-END
		link add $port mtu $mtu type veth peer name $interface mtu $mtu netns $NET-$host
		link set $port master br0
		link set $port up
	END
	ip -n "$NET-$host" -batch - <<-END
		address add $4 dev $interface
		address add $5 dev $interface nodad
		link set $interface up
	END
	# What is sent from here has whole checksums: an encapsulated partial one would arrive wrong.
	on "$host" ethtool -K "$interface" tx off >/dev/null 2>&1
	on "$switch" ethtool -K "$port" tx off >/dev/null 2>&1
	case $host in
	lb*) on "$switch" "$NET_XDP_PASS" "$port" ;; # without, what lb sends by XDP_TX stays in the ring
	esac
}

net_carry_services() { # HOST: its lo carries the service addresses, and it keeps silent about them
	local address
	on "$1" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	for address in $SERVICE_ADDRESSES; do
		ip -n "$NET-$1" address add "$address" dev lo
	done
}

net_route_services() { # HOST via IPv4 IPv6
	ip -n "$NET-$1" route replace 192.0.2.0/24 via "$2"
	ip -n "$NET-$1" route replace 2001:db8::/64 via "$3"
}

# net_make HOST…: everybody on one switch. Names: client, client2…, lb, lb2…, b1, b2….
net_make() {
	local host number
	net_switch switch
	for host in "$@"; do
		number=$(host_number "$host")
		net_host "$host"
		net_leg "$host" eth0 switch "10.77.0.$number/24" "fd77::$number/64"
		case $host in
		client*)
			net_route_services "$host" 10.77.0.2 fd77::2
			on "$host" sysctl -qw net.ipv4.tcp_tw_reuse=1 net.ipv4.ip_local_port_range='1024 65000'
			;;
		b*) net_carry_services "$host" ;;
		esac
	done
}

# net_forwards HOST: it is a router.
net_forwards() {
	on "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0
}

# net_cable HOST INTERFACE HOST INTERFACE MTU NUMBER: a link 10.NUMBER.0.1 – 10.NUMBER.0.2, fd00:NUMBER::1 – ::2
net_cable() {
	ip -n "$NET-$1" link add "$2" mtu "$5" type veth peer name "$4" mtu "$5" netns "$NET-$3"
	ip -n "$NET-$1" -batch - <<-END
		address add 10.$6.0.1/24 dev $2
		address add fd00:$6::1/64 dev $2 nodad
		link set $2 up
	END
	ip -n "$NET-$3" -batch - <<-END
		address add 10.$6.0.2/24 dev $4
		address add fd00:$6::2/64 dev $4 nodad
		link set $4 up
	END
	on "$1" ethtool -K "$2" tx off >/dev/null 2>&1
	on "$3" ethtool -K "$4" tx off >/dev/null 2>&1
}

# net_forget_paths HOST…: what one transfer has taught about the path must not help the next.
net_forget_paths() {
	local host
	for host in "$@"; do
		ip -n "$NET-$host" route flush cache
		ip -n "$NET-$host" -6 route flush cache
	done
}

# net_timeouts HOST: of TCP, since the host came up
net_timeouts() { on "$1" nstat -asz TcpExtTCPTimeouts | awk '/Timeouts/ { print $2 }'; }

# net_two_sides GATEWAY HOST…: clients on one switch, backends (10.78.0.0/24, fd78::/64) on the other, all other hosts with eth0
# and eth1 on both. The gateway is one of those, and the backends' default route.
net_two_sides() {
	local host number gateway
	gateway=$(host_number "$1")
	net_switch switch
	net_switch switch2
	for host in "$@"; do
		number=$(host_number "$host")
		net_host "$host"
		case $host in
		b*)
			net_leg "$host" eth0 switch2 "10.78.0.$number/24" "fd78::$number/64"
			ip -n "$NET-$host" route add default via "10.78.0.$gateway"
			ip -n "$NET-$host" route add default via "fd78::$gateway"
			continue
			;;
		esac
		net_leg "$host" eth0 switch "10.77.0.$number/24" "fd77::$number/64"
		case $host in
		client*) net_route_services "$host" 10.77.0.2 fd77::2 ;;
		*) net_leg "$host" eth1 switch2 "10.78.0.$number/24" "fd78::$number/64" ;;
		esac
	done
	net_forwards "$1"
}

# net_make_two_sided HOST…: lb has both sides, and backends the services' addresses; answers go back through a router, not
# through lb.
net_make_two_sided() {
	local host
	net_two_sides router "$@"
	for host in "$@"; do
		case $host in b*) net_carry_services "$host" ;; esac
	done
}

net_hosts() { # those there are
	local path
	for path in "/run/netns/$NET-"*; do
		[ ! -e "$path" ] || echo "${path#/run/netns/"$NET"-}"
	done
}

# Ends what runs in the namespaces of this script, and only that.
net_kill_processes() {
	local host pids
	for host in $(net_hosts); do
		pids=$(ip netns pids "$NET-$host" 2>/dev/null) || continue
		# shellcheck disable=SC2086 # several numbers
		[ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
	done
}

net_remove() {
	local host
	net_kill_processes
	for host in $(net_hosts); do
		ip netns del "$NET-$host" 2>/dev/null || true
	done
}

# How many connections of TCP the host has begun.
connections_begun() { on "$1" cat /proc/net/snmp | awk '/^Tcp:/ { if (n++) print $6 }'; } # HOST
