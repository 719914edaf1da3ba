fairvisor jwt --keys tokens/keys.json <tokens/expired.txt
