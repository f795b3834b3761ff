# ---- Installing: DESTDIR, PREFIX, BINDIR, LIBDIR, INCLUDEDIR, MANDIR; those that are relative lie below PREFIX ----

PREFIX ?= /usr/local
BINDIR ?= bin
LIBDIR ?= lib
INCLUDEDIR ?= include
MANDIR ?= share/man
below_prefix = $(if $(filter /%,$(firstword $(1))),$(1),$(PREFIX)/$(1))
override BINDIR := $(call below_prefix,$(BINDIR))
override LIBDIR := $(call below_prefix,$(LIBDIR))
override INCLUDEDIR := $(call below_prefix,$(INCLUDEDIR))
override MANDIR := $(call below_prefix,$(MANDIR))

# Text for the right side of sed's s|||.
sed_text = $(subst |,\|,$(subst &,\&,$(subst \,\\,$(1))))
# ${prefix}/lib rather than /usr/lib: so the file may be moved with its tree.
from_prefix = $(patsubst ^%,%,$(subst ^$(PREFIX)/,$${prefix}/,^$(1)))
include_from_library = $(shell realpath -m --relative-to='$(LIBDIR)' '$(INCLUDEDIR)')
RELOCATED = sed -e 's|@PREFIX@|$(call sed_text,$(PREFIX))|g' \
                -e 's|@LIBDIR@|$(call sed_text,$(call from_prefix,$(LIBDIR)))|g' \
                -e 's|@INCLUDEDIR@|$(call sed_text,$(call from_prefix,$(INCLUDEDIR)))|g' \
                -e 's|@VERSION@|$(VERSION)|g' -e 's|@MPI@|$(MPI_NAME)|g' \
                -e 's|@PRIVATE_LIBRARIES@|$(SYSTEM_LIBRARIES)|g' \
                -e 's|@INCLUDE_FROM_LIBRARY@|$(call sed_text,$(include_from_library))|g'

# `make install-strip`: what is installed holds no debug information. That of the shared libraries and the programs goes
# to files in a folder .debug beside them, which gdb finds by the name and the checksum in the stripped file; static
# libraries keep only their symbols.
STRIPPED := no
DEBUG_FILES = $(foreach file,$(LIB)/$(SONAME) $(CUDA_MODULE),'$(DESTDIR)$(LIBDIR)'/$(notdir $(file)))
separate_debug = folder=$$(dirname "$$file") && name=$$(basename "$$file") && install -d -m 755 "$$folder/.debug" && \
    $(OBJCOPY) --only-keep-debug "$$file" "$$folder/.debug/$$name.debug" && \
    chmod 644 "$$folder/.debug/$$name.debug" && \
    $(OBJCOPY) --strip-unneeded --add-gnu-debuglink="$$folder/.debug/$$name.debug" "$$file"
install-strip: STRIPPED := yes
install-strip: install

# Modes are explicit, so that a umask of 077 leaves nothing that others cannot read.
install: install-library install-programs
install-library: all $(MPI_LIBRARY)
	install -d -m 755 '$(DESTDIR)$(PREFIX)' '$(DESTDIR)$(LIBDIR)' '$(DESTDIR)$(INCLUDEDIR)' \
	    '$(DESTDIR)$(INCLUDEDIR)/dualprop' '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(LIBDIR)/cmake' \
	    '$(DESTDIR)$(LIBDIR)/cmake/dualprop'
	install -m 644 include/dualprop/*.h '$(DESTDIR)$(INCLUDEDIR)/dualprop'
	install -m 755 $(LIB)/$(SONAME) $(CUDA_MODULE) '$(DESTDIR)$(LIBDIR)'
	ln -sf $(SONAME) '$(DESTDIR)$(LIBDIR)/libdualprop.so'
	install -m 644 $(LIB)/libdualprop.a $(LIB)/libdualprop-testing.a '$(DESTDIR)$(LIBDIR)'
	[ '$(STRIPPED)' != yes ] || { \
	    for file in $(DEBUG_FILES); do $(separate_debug) || exit 1; done; \
	    $(OBJCOPY) --strip-debug '$(DESTDIR)$(LIBDIR)/libdualprop.a' && \
	    $(OBJCOPY) --strip-debug '$(DESTDIR)$(LIBDIR)/libdualprop-testing.a'; }
	$(RELOCATED) pkgconfig/dualprop.pc.in | install -m 644 /dev/stdin '$(DESTDIR)$(LIBDIR)/pkgconfig/dualprop.pc'
	[ -z '$(MPI_LIBRARY)' ] || { \
	    install -d -m 755 '$(DESTDIR)$(PREFIX)/share' '$(DESTDIR)$(PREFIX)/share/dualprop' && \
	    install -m 644 src/mpi/include/dualprop/mpi.h '$(DESTDIR)$(INCLUDEDIR)/dualprop' && \
	    install -m 644 $(MPI_LIBRARY) '$(DESTDIR)$(LIBDIR)' && \
	    { [ '$(STRIPPED)' != yes ] || $(OBJCOPY) --strip-debug '$(DESTDIR)$(LIBDIR)/libdualprop-mpi.a'; } && \
	    install -m 644 src/mpi/mpi_transport.c '$(DESTDIR)$(PREFIX)/share/dualprop' && \
	    $(RELOCATED) pkgconfig/dualprop-mpi.pc.in | \
	    install -m 644 /dev/stdin '$(DESTDIR)$(LIBDIR)/pkgconfig/dualprop-mpi.pc'; }
	for file in dualprop-config dualprop-config-version; do \
	    $(RELOCATED) cmake/$$file.cmake.in | \
	    install -m 644 /dev/stdin '$(DESTDIR)$(LIBDIR)/cmake/dualprop/'$$file.cmake || exit 1; \
	done
	@# The loader looks into a folder of the system only after ldconfig.
	@if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" = 0 ] && ldconfig -vNX 2>/dev/null | grep -qF '$(LIBDIR):'; then ldconfig; fi
# A manual page is made of what the program's --help prints: there is none if the program cannot run (cross compiling).
install-programs: programs
	install -d -m 755 '$(DESTDIR)$(PREFIX)' '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(MANDIR)' '$(DESTDIR)$(MANDIR)/man1'
	install -m 755 $(PROGRAMS) '$(DESTDIR)$(BINDIR)'
	[ '$(STRIPPED)' != yes ] || for file in $(patsubst $(BUILD)/programs/%,'$(DESTDIR)$(BINDIR)'/%,$(PROGRAMS)); do \
	    $(separate_debug) || exit 1; \
	done
	@for program in $(PROGRAMS); do \
	    help=$$($$program --help) || continue; \
	    echo "$$help" | tools/man-page $(VERSION) | \
	    install -m 644 /dev/stdin '$(DESTDIR)$(MANDIR)/man1/'$${program##*/}.1 || exit 1; \
	done

uninstall:
	rm -rf '$(DESTDIR)$(INCLUDEDIR)/dualprop' '$(DESTDIR)$(LIBDIR)/cmake/dualprop'
	rm -rf '$(DESTDIR)$(PREFIX)/share/dualprop'
	rm -f '$(DESTDIR)$(LIBDIR)/libdualprop-testing.a' '$(DESTDIR)$(LIBDIR)/libdualprop-mpi.a' \
	    '$(DESTDIR)$(LIBDIR)/pkgconfig/dualprop-mpi.pc'
	rm -f '$(DESTDIR)$(LIBDIR)'/libdualprop.* '$(DESTDIR)$(LIBDIR)'/libdualprop-cuda.so.0 \
	    '$(DESTDIR)$(LIBDIR)/pkgconfig/dualprop.pc'
	rm -f $(patsubst %,'$(DESTDIR)$(LIBDIR)'/.debug/%.debug,$(SONAME) libdualprop-cuda.so.0) \
	    $(patsubst $(BUILD)/programs/%,'$(DESTDIR)$(BINDIR)'/.debug/%.debug,$(PROGRAMS))
	@rmdir '$(DESTDIR)$(LIBDIR)'/.debug '$(DESTDIR)$(BINDIR)'/.debug 2>/dev/null || true
	rm -f $(patsubst $(BUILD)/programs/%,'$(DESTDIR)$(BINDIR)'/%,$(PROGRAMS)) \
	    $(patsubst $(BUILD)/programs/%,'$(DESTDIR)$(MANDIR)/man1'/%.1,$(PROGRAMS))
