fairvisor jwt --keys tokens/keys.json --raw <tokens/rfc8037.txt
