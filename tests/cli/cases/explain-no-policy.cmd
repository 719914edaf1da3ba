fairvisor explain -c /dev/null GET /
