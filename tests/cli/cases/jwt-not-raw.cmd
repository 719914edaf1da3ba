fairvisor jwt --keys tokens/keys.json <tokens/rfc8037.txt
