fairvisor keys get --reson x
