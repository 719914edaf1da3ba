head -c 9000000 /dev/zero | tr "\0" A | fairvisor jwt --keys tokens/keys.json
