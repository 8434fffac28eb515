# huggingface/pytorch-image-models: hfdocs/source/training_script.mdx
./distributed_train.sh 2 --data-dir /imagenet/ --model efficientnet_b2 -b 128 --sched step \
  --epochs 450 --decay-epochs 2.4 --decay-rate .97 --opt rmsproptf --opt-eps .001 -j 8 \
  --warmup-lr 1e-6 --weight-decay 1e-5 --drop 0.3 --model-ema --model-ema-decay 0.9999 --lr .016
