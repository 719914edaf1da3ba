fairvisor jwt --keys tokens/keys.json <tokens/forged.txt
