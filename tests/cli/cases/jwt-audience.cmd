fairvisor jwt --keys tokens/keys.json --audience other <tokens/good.txt
