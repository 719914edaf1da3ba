fairvisor jwt --keys tokens/keys.json --json <tokens/forged.txt
