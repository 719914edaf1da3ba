fairvisor top now
