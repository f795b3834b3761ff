# Writes an assembler file that declares the public functions among OBJECTS hidden, so that a program or a plugin that
# the static library is linked into does not export them. NM, OBJECTS (with | between them) and OUTPUT are given by -D.
string(REPLACE "|" ";" OBJECTS "${OBJECTS}")
execute_process(COMMAND ${NM} -g --defined-only ${OBJECTS} OUTPUT_VARIABLE _names RESULT_VARIABLE _failed)
if(_failed)
  message(FATAL_ERROR "${NM} ended with ${_failed}")
endif()
string(REGEX MATCHALL " [A-Z] dualprop_[a-z][a-z0-9_]*\n" _names "${_names}")
set(_text "")
foreach(_name ${_names})
  string(REGEX REPLACE "^ [A-Z] (.*)\n$" "\\1" _name "${_name}")
  string(APPEND _text "\t.globl ${_name}\n\t.hidden ${_name}\n")
endforeach()
file(WRITE ${OUTPUT} "${_text}\t.section .note.GNU-stack,\"\",%progbits\n")
