fairvisor jwt --keys tokens/keys.json --issuer https://other.example <tokens/good.txt
