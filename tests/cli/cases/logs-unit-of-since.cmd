fairvisor logs --since 5min decisions.txt
