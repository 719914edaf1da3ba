fairvisor status -c /dev/null --instance cli-golden.2
