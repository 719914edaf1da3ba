fairvisor logs decisions.txt
