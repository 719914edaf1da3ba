fairvisor logs --format json --reason tpm_exceeded decisions.txt
