set -x

python3 -m verl.trainer.main_ppo \
    algorithm.adv_estimator=grpo data.train_files=$HOME/data/gsm8k/train.parquet \
    data.train_batch_size=1024 data.max_prompt_length=512 data.filter_overlong_prompts=True \
    data.truncation='error' actor_rollout_ref.actor.optim.lr=1e-6 \
    actor_rollout_ref.actor.ppo_mini_batch_size=256 actor_rollout_ref.actor.use_kl_loss=True \
    actor_rollout_ref.actor.kl_loss_coef=0.001 actor_rollout_ref.rollout.name=vllm \
    actor_rollout_ref.rollout.n=5 algorithm.use_kl_in_reward=False trainer.critic_warmup=0 \
    trainer.logger='["console","wandb"]' trainer.n_gpus_per_node=8 trainer.total_epochs=15 $@
