srun python -m open_clip_train.main \
    --save-frequency 1 --train-num-samples 135646078 --dataset-type webdataset --dataset-resampled \
    --warmup 2000 --batch-size=375 --epochs=97 --lr 1e-3 --workers=8 --report-to wandb \
    --model ViT-B-32 --seed 0 --ddp-static-graph --local-loss --gather-with-grad \
    --grad-checkpointing --precision amp_bfloat16
