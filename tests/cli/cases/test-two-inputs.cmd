fairvisor test -c /dev/null - <logs/combined.log
