fairvisor jwt <tokens/good.txt
