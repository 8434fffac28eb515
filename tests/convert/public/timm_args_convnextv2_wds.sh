# bolotyuh/hf-exp: rafflesia/run-exp-wds.sh
python train_timm.py --model convnextv2_base.fcmae_ft_in22k_in1k --num-classes 23986 \
  --checkpoint-hist 2 --batch-size 64 --grad-accum-steps 1 --epochs 10 --weight-decay 0. \
  --opt adamw --lr 1e-4 --smoothing 0.1 --sched cosine --warmup-epochs 0 --min-lr 5e-5 \
  --warmup-lr 1e-4 --cooldown-epochs 0 --drop-path 0.1
