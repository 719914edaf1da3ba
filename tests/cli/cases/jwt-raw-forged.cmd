fairvisor jwt --keys tokens/keys.json --raw <tokens/forged.txt
