#!/bin/sh
# numbered.sh PROGRAM ARGUMENTS...: write this process's id to $PIDS.RANK, then become the program.
rank=${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}
echo $$ >"$PIDS.$rank"
exec "$@"
