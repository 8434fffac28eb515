python3 -m openrlhf.cli.train_ppo_ray \
   --ref.num_nodes 1 --ref.num_gpus_per_node 8 --reward.num_nodes 1 --critic.num_nodes 1 \
   --actor.num_nodes 1 --actor.num_gpus_per_node 8 --vllm.num_engines 4 --train.colocate_all \
   --vllm.gpu_memory_utilization 0.5 --ckpt.save_hf --train.batch_size 128 \
   --rollout.batch_size 1024 --rollout.n_samples_per_prompt 1 --train.max_epochs 1 \
   --data.max_len 2048 --data.max_samples 100000 --ds.zero_stage 3 --ds.param_dtype bf16 \
   --actor.adam.lr 5e-7 --critic.adam.lr 9e-6 --algo.kl.init_coef 0.01 \
   --ds.packing_samples --vllm.sync_backend nccl --train.max_tokens_per_gpu 16384
