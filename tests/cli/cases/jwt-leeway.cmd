fairvisor jwt --keys tokens/keys.json --leeway 0 <tokens/good.txt
