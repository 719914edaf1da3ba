fairvisor jwt --keys tokens/keys.json --raw --json <tokens/rfc8037.txt
