fairvisor logs --key x-api-key=1 decisions.txt
