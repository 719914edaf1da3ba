fairvisor help connect
