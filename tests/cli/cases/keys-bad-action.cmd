fairvisor keys drop header:x=1
