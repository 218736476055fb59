/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which texts are numbers. strtoull alone accepts signs, blanks, octal and a rest. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/number.h"

int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number)
{
	int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
	const char *digits = base == 16 ? text + 2 : text;
	unsigned long long number;
	char *end;

	if (!isxdigit((unsigned char)digits[0]))
		return -EINVAL;
	errno = 0;
	number = strtoull(digits, &end, base);
	if (*end || end == digits || (base == 16 && (digits[1] == 'x' || digits[1] == 'X')))
		return -EINVAL;
	if (errno || number < min || number > max)
		return -ERANGE;
	*ret_number = number;
	return 0;
}
