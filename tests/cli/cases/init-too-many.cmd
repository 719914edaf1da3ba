fairvisor init --template=api a b
