fairvisor logs -c /dev/null
