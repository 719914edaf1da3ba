fairvisor top -c /dev/null
