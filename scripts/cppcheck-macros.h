/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For cppcheck alone, which does not read the libraries' headers: macros that are control flow or declare something. */
#define HASH_ITER(hh, head, element, next) for (next = element = head; element; element = next)
#define HASH_ADD_STR(head, field, element) head = element
#define HASH_ADD(hh, head, field, length, element) head = element
#define HASH_FIND(hh, head, key, length, element) element = head
#define HASH_FIND_STR(head, key, element) element = head
#define HASH_DEL(head, element) head = element
#define DL_FOREACH(head, element) for (element = head; element; element = (element)->next)
#define DL_FOREACH2(head, element, next) for (element = head; element; element = (element)->next)
#define json_array_foreach(array, index, value) for (index = 0; (value = json_array_get(array, index)); index++)
#define json_object_foreach(object, key, value) for (key = first(object); (value = json_object_get(object, key));)
#define bpf_object__for_each_program(program, object) while ((program = bpf_object__next_program(object, program)))
#define bpf_object__for_each_map(map, object) while ((map = bpf_object__next_map(object, map)))
#define LIBBPF_OPTS(type, name, ...) struct type name = {__VA_ARGS__}
#define DECLARE_LIBBPF_OPTS(type, name, ...) struct type name = {__VA_ARGS__}
#define DECLARE_LIBXDP_OPTS(type, name, ...) struct type name = {__VA_ARGS__}
#define SEC(name)
#define __always_inline inline
#define __uint(name, value) int (*name)[value]
#define __type(name, value) value *name
#define __array(name, value) value *name[]
