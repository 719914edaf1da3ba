fairvisor jwt --keys tokens/keys.json --raw --issuer x <tokens/good.txt
