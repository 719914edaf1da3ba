fairvisor help status explain
