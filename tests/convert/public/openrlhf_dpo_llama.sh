read -r -d '' training_commands <<EOT
openrlhf.cli.train_dpo \
   --ckpt.output_dir ./checkpoint/llama3-8b-dpo --ckpt.save_steps -1 --logger.logging_steps 1 \
   --eval.steps -1 --train.batch_size 256 --train.micro_batch_size 1 --ds.param_dtype bf16 \
   --train.max_epochs 1 --data.max_len 8192 --ds.zero_stage 3 --adam.lr 5e-7 --model.beta 0.1 \
   --data.apply_chat_template --ds.attn_implementation flash_attention_2 --ds.packing_samples
EOT

if [[ ${1} != "slurm" ]]; then
    deepspeed --module $training_commands
fi
