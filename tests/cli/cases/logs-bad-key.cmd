fairvisor logs --key x-api-key decisions.txt
