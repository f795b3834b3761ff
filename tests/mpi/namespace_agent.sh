#!/bin/sh
# namespace_agent.sh HOST COMMAND...: what mpirun takes for ssh: run a command in the network namespace HOST, under that
# host name, so that Open MPI believes in another machine and takes TCP.
host=$1
shift
command=$*
exec ip netns exec "$host" unshare --uts sh -c 'hostname "$0" && exec sh -c "$1"' "$host" "$command"
