fairvisor logs --key header:x-api-key --key ip:address=10.0.0.9 decisions.txt
