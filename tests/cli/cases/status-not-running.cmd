fairvisor status -c /dev/null
