fairvisor jwt --keys tokens/good.txt <tokens/good.txt
