fairvisor jwt --keys tokens/keys.json --leeway 2h <tokens/good.txt
