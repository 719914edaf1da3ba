fairvisor jwt --keys tokens/keys.json --json --issuer https://id.example --audience api - <tokens/good.txt
