# libdualprop - see README.md. `make demo` and `make check` are the two commands.
VERSION := 0.1.0
CC ?= gcc
OPTIMIZE ?= -O3
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wframe-larger-than=4096
BLIS_FOLDER ?= /usr/lib/$(shell $(CC) -dumpmachine)/blis-serial
BLIS_INCLUDE ?= /usr/include/$(shell $(CC) -dumpmachine)/blis-serial
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE $(OPTIMIZE) -g -fPIC -fvisibility=hidden -fno-math-errno -fno-trapping-math -ffp-contract=off $(WARNINGS) -Iinclude -MMD -MP $(CFLAGS)
CORE := $(wildcard src/core/*.c)
CPU := $(wildcard src/cpu/*.c)
OBJECTS := $(CORE:%.c=build/%.o) $(CPU:%.c=build/%.o)
all: lib/libdualprop.so lib/libdualprop.a
build/src/cpu/%_avx2.o: EXTRA := -mavx2 -mfma
build/src/cpu/%_avx512.o: EXTRA := -mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512
build/src/cpu/blis_%.o: EXTRA += -isystem $(BLIS_INCLUDE)
build/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(EXTRA) -c $< -o $@
lib/libdualprop.so: $(OBJECTS)
	@mkdir -p lib
	$(CC) -shared -o $@ $(OBJECTS) $(BLIS_FOLDER)/libblis.a -Wl,--exclude-libs,ALL -ljansson -lm -lpthread -ldl
lib/libdualprop.a: $(OBJECTS)
	@mkdir -p lib
	rm -f $@ && ar rcs $@ $(OBJECTS)
-include $(OBJECTS:.o=.d)
clean:
	rm -rf build lib
.PHONY: all clean
