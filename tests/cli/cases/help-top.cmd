fairvisor help top
