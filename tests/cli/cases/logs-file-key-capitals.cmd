fairvisor logs --key header:X-Api-Key decisions.txt
