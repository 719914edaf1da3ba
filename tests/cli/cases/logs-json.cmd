fairvisor logs --json --reason tpm_exceeded decisions.txt
