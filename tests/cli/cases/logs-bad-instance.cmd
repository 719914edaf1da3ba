fairvisor logs -c /dev/null --instance a/b
