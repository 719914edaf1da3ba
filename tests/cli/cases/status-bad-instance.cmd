fairvisor status -c /dev/null --instance a/b
