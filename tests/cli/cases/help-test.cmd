fairvisor help test
