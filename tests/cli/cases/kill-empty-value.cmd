fairvisor kill header:x-key ''
