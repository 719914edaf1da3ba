fairvisor help logs
